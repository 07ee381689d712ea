"""What runs in a decoder child: the only place where native media code is called."""

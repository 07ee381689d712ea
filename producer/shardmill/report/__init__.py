"""What an output directory tells: tables, totals, failures, and proof that nothing is wrong."""

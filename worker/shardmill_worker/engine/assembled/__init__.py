"""Pictures that libav alone cannot put together: whole ones are made here of a file's parts."""

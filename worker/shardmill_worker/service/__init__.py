"""The Celery side of a worker: tasks, companions, what people see."""

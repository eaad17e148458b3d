"""Running compiled graphs: functions, executors, and where the values of variables live."""

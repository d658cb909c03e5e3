"""The operator as a process: what it is made of, how it starts and ends, and how others see that it lives."""

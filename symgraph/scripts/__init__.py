"""Old scripts: what they use (`analysis`), whether it is offered (`check`), and running them (`run`)."""

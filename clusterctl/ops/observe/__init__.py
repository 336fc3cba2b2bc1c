"""Commands and parts that only look: ``list``, ``status``, ``verify``, ``watch``, and what others wait for."""

"""Commands and parts that only look: ``status``, ``verify``, ``watch``, and what others wait for."""

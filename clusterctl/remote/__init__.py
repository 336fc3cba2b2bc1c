"""What runs on nodes by one ssh call, and what sends it there."""

"""What an attacker runs inside of a cluster: standard library only, since nodes have nothing else.

``tests/attacks/positions.py`` packs it, brings it into a build, and reads one JSON line an attack.
"""

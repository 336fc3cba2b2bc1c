"""The cloud behind clusterctl: ``base`` says what is needed of it, ``open_cloud`` gives the real one.

Importing this package imports no SDK (that costs more than half a second); opening a cloud does.
"""

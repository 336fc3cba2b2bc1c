"""Limits of the services on what is sent to them: a value over one would be refused when half of a cluster is made.

All are the services' own: Nova's API (names and metadata 255 characters, tags 60; ``render.userdata`` bounds
user-data), Neutron's, Cinder's and Glance's (names, descriptions, metadata and properties 255), ZooKeeper's
administrator's guide (``myid`` up to 255, sessions of 2 to 20 ticks), and 16 bits for a port.
"""

from __future__ import annotations

TEXT = 255  # characters of names, descriptions, keys and values of metadata and properties
SERVER_TAG = 60
DNS_LABEL = 63  # RFC 1035 section 2.3.4
ZOOKEEPER_ID = 255
SESSION_TICKS = (2, 20)
PORT = 65535
LINUX_USER = 32  # useradd(8)
INT32 = 2**31 - 1  # of Java's and C's settings

# The tag of a server is this with the name of its cluster (``resources.owner_mark``)
OWNER_KEY = "clusterctl.cluster"
CLUSTER_NAME = SERVER_TAG - len(f"{OWNER_KEY}=")
# Nova numbers the servers of a batch: '-', six hex digits, '-', up to four digits
AGENT_SUFFIX = len("-xxxxxx-NNNN")

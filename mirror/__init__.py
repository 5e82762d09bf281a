"""Copy container images and other OCI artifacts from registry to registry, in bulk.

The floors of the package, from the ground up; a module may import its own
package and lower floors, never sideways and never up
(`tests/test_architecture.py` holds this):

    0  errors                     every failure, its exit code, its hint
    1  image                      what an image is
    2  shard                      which share of the work is whose
    3  options                    what a run was asked for
    4  events, mapping, wire      what happened; what was asked; the protocol
    5  auth, configuration, plan, report, demo  who we are; what sync was asked for;
                                  what must move; what came of it; a registry to try
    6  registry                   talking to a registry
    7  engine                     carrying it out
    8  cluster                    carrying it out with many machines
    9  cli                        the command line
"""

__version__ = "0.1.0"

"""DynaBOA: a single-image network that goes on learning on the very video that it is given.

Guan et al., Out-of-Domain Human Mesh Reconstruction via Dynamic Bilevel Online Adaptation, TPAMI 2022, and its
predecessor BOA, CVPR 2021. See docs/methods/dynaboa.md.
"""

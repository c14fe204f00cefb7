# The link model that the simulator and the impairment tool share.
test_link_SRCS := tests/link/link.c

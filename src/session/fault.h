/* Why a candidate path cannot be used, with the words for it. For any thread. */
#pragma once

/* X(NAME, text): why a candidate has no path. The client's shell tells the first ones, the engine the others. */
#define PATH_FAULT_LIST(X)                                                           \
	X(NONE, NULL)                                                                \
	X(NO_NAME, "the server's name does not resolve")                             \
	X(NO_FAMILY, "the server has no address of the other family")                \
	X(NO_INTERFACE, "no such interface")                                         \
	X(TUNNEL, "the tunnel itself, which cannot travel inside of itself")         \
	X(OTHER_LINK, "a link-local endpoint, which is on another interface")        \
	X(NO_SCOPE, "a link-local endpoint without its interface: [fe80::1%eth0]")   \
	X(NO_CARRIER, "the interface is down or has no carrier")                     \
	X(NO_ADDRESS, "the interface has no address to reach the server from")       \
	X(NO_ROUTE, "no route to the server")                                        \
	X(REFUSED, "a route or rule of this machine refuses the way to the server")  \
	X(UNSETTLED, "it goes up and down: it is taken up once it stays")            \
	X(NOT_GRANTED, "the server grants no more paths (transport.max_candidates)") \
	X(NO_LOCATOR, "waiting for the server's next locator")                       \
	X(NO_SOCKET, "no socket, or its address is another path's")

enum path_fault {
#define X(NAME, text) FAULT_##NAME,
	PATH_FAULT_LIST(X)
#undef X
		FAULTS
};

const char *path_fault_text(enum path_fault f); /* NULL for FAULT_NONE */

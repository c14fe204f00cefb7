/*
 * A client's candidate paths: its transports, and the server's addresses that each may reach, as names, links, addresses and
 * the kernel's routing have them now. Tells the engine; opens nothing. On the worker's thread.
 */
#pragma once

#include <uv.h>

#include "session/engine.h"
#include "worker/links.h"
#include "worker/way.h"

struct worker;
struct candidates;
struct resolv;
struct tunnel;

/* `tunnel`: our own device, which is told of the ways past it. 0 or -errno. */
int candidates_new(struct candidates **out, struct worker *w, struct tunnel *tunnel, struct resolv *resolv);
void candidates_free(struct candidates *c);
/* On the thread, before the loop runs: looks at the links, resolves names, tells of the first candidates. */
void candidates_start(struct candidates *c);
void candidates_configure(struct candidates *c, const struct config *config);
/* Nothing is told any more. The loop closes the handles. */
void candidates_stop(struct candidates *c);
/* Looks the names up again. */
void candidates_resolve(struct candidates *c);
/* Names that could not be looked up, and why, malloc'ed; NULL: there are none. */
char *candidates_unresolved(const struct candidates *c);

const struct links *candidates_links(const struct candidates *c);
/* Is it an address of the server's? */
bool candidates_lead_to(const struct candidates *c, const struct ip *ip);
const char *candidates_name(const struct candidates *c, uint8_t number);
/* The way of this candidate to `remote`, or NULL: that is none of its remotes. */
const struct way *candidates_way(const struct candidates *c, uint8_t number,
				    const struct endpoint *remote);
/*
 * The same, for a socket that is about to be opened: the newest of its candidate, which is told to move when its way does.
 * With what it is to be opened by.
 */
struct udp_path;
const struct way *candidates_open(struct candidates *c, uint8_t number, const struct endpoint *remote,
				     struct udp_path *path);

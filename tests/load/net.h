/*
 * The network of many clients: a few sockets, each of which sends from and hears on every address of a large prefix that
 * is local here ("ip route add local PREFIX dev lo"). A client's endpoint is one address and one of these sockets.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "net/tools/tool.h"

#define NET_SOCKETS 8
#define NET_ROOM 1536 /* the longest datagram */

struct net;

/* To `server` (IPv4); what comes is held for `rtt_us`, as if it had come from far. Ends the program where it fails. */
struct net *net_new(const struct address *server, uint64_t rtt_us);
/* Room for one datagram, sent from `address` (in host byte order) by `socket` with the next flush. */
uint8_t *net_room(struct net *n, unsigned int socket, uint32_t address);
void net_send(struct net *n, unsigned int socket,
	      size_t len); /* what stands in the room that was asked for last */
void net_flush(struct net *n);
/* Waits for something to come, to a socket or to `fd`, `ms` at most. */
void net_wait(struct net *n, int fd, int ms);
/* Hands out what has come, a bounded number of datagrams. */
typedef void net_took(void *ctx, unsigned int socket, uint32_t address, uint8_t *data, size_t len);
void net_receive(struct net *n, uint64_t now_us, net_took *took, void *ctx);
/* Milliseconds until something that is held is due; `most` if that is less. */
int net_held_ms(const struct net *n, uint64_t now_us, int most);
/* Since the start: datagrams sent, refused by the kernel, received. */
struct net_count {
	uint64_t sent, unsent, received;
};
struct net_count net_count(const struct net *n);

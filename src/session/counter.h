/*
 * What a worker counts: every packet that is not delivered has one reason here, and every control
 * event that is not worth a record of its own. Names go out as they stand (status, metrics).
 */
#pragma once

#include <stdint.h>

/* X(NAME, name, text) */
#define COUNTER_LIST(X)                                                                            \
	X(RX_PACKETS, rx_packets, "inner packets received and delivered")                          \
	X(RX_BYTES, rx_bytes, "inner bytes received and delivered")                                \
	X(TX_PACKETS, tx_packets, "inner packets sealed and sent")                                 \
	X(TX_BYTES, tx_bytes, "inner bytes sealed and sent")                                       \
	X(RESCUED_PACKETS, rescued_packets, "inner packets sent again because the session moved")  \
	X(RESCUED_BYTES, rescued_bytes, "inner bytes sent again because the session moved")        \
	X(RESCUE_LOST, rescue_lost, "inner packets that waited for a path for too long")           \
	X(RESCUE_NO_ROOM, rescue_no_room, "inner packets sent without a copy, for want of memory") \
	X(RX_CONTROL, rx_control, "CONTROL packets accepted")                                      \
	X(TX_CONTROL, tx_control, "CONTROL packets sent")                                          \
	X(DROP_MALFORMED, drop_malformed, "datagrams that no packet of this version can be")       \
	X(DROP_INSIDE, drop_inside, "datagrams that came through our own tunnel, or from an address inside") \
	X(DROP_UNEXPECTED, drop_unexpected, "packet types this role does not take")                \
	X(DROP_UNKNOWN_LOCATOR, drop_unknown_locator, "DATA or CONTROL for no session here")       \
	X(DROP_UNKNOWN_EPOCH, drop_unknown_epoch, "packets of an epoch without keys")              \
	X(DROP_BAD_TAG, drop_bad_tag, "packets that are not authentic")                            \
	X(DROP_REPLAY, drop_replay, "packets seen before or behind the window, from another address or long after") \
	X(DROP_DUPLICATE, drop_duplicate, "packets seen before or behind the window, from the peer's address within seconds") \
	X(DROP_WRONG_PATH, drop_wrong_path, "DATA on a path that is not the active one")           \
	X(DROP_NOT_ATTACHED, drop_not_attached, "DATA before the session attached")                \
	X(DROP_BAD_FRAME, drop_bad_frame, "authentic CONTROL with a frame that is not valid")      \
	X(DROP_BAD_INNER, drop_bad_inner, "inner packets that are not whole IP packets")           \
	X(DROP_BAD_SOURCE, drop_bad_source, "inner packets from, or to a client, an address that is not the peer's") \
	X(DROP_NO_OWNER, drop_no_owner, "inner packets to an address nobody owns")                 \
	X(DROP_NO_SESSION, drop_no_session, "inner packets to a peer without a session")           \
	X(DROP_NO_PATH, drop_no_path, "inner packets while no path can carry them")                \
	X(DROP_TOO_BIG, drop_too_big, "inner packets larger than the tunnel's MTU or the path")    \
	X(LINK_CHATTER, link_chatter, "inner packets for one link alone, or for all on it: carried nowhere") \
	X(DROP_ECN, drop_ecn, "inner packets with congestion marked that cannot answer to it")      \
	X(FRAGMENTED, fragmented, "inner packets sent as fragments, too large for the path")        \
	X(MSS_CLAMPED, mss_clamped, "TCP SYNs whose MSS was lowered")                               \
	X(PMTU_SHRUNK, pmtu_shrunk, "times that a path was found to carry less than before")        \
	X(DROP_NO_MEMORY, drop_no_memory, "packets for whose key or replay window there was no memory") \
	X(DROP_TUN_FULL, drop_tun_full, "inner packets the tunnel device did not take")            \
	X(TUN_RUN_REFUSED, tun_run_refused, "super-packets the tunnel device refused, and took singly")   \
	X(UDP_RUN_REFUSED, udp_run_refused, "runs of datagrams the kernel refused, and sent singly")    \
	X(RUNS_STOPPED, runs_stopped, "paths on which runs of datagrams died and single ones do not")    \
	X(DROP_RECEIVE_FULL, drop_receive_full, "datagrams that found the socket's receive buffer full") \
	X(DROP_HELLO_FULL, drop_hello_full, "HELLOs and rubbish that found their socket's receive buffer full") \
	X(DROP_SOCKET_FULL, drop_socket_full, "datagrams beyond what a socket may hold")           \
	X(DROP_SOCKET_ERROR, drop_socket_error, "datagrams the network refused")                   \
	X(HANDED_OVER, handed_over, "packets that surfaced at another worker than their own")      \
	X(DROP_RING_FULL, drop_ring_full, "packets for another worker whose ring was full")        \
	X(DROP_AMPLIFICATION, drop_amplification, "packets to an unproven address beyond the 3x rule") \
	X(DROP_PROBE_LIMIT, drop_probe_limit, "PROBEs beyond what a path is answered in a second") \
	X(HELLO_RECEIVED, hello_received, "HELLOs received")                                       \
	X(HELLO_BAD_MAC, hello_bad_mac, "HELLOs whose sender does not know our public key")        \
	X(HELLO_RATE_LIMITED, hello_rate_limited, "HELLOs beyond the rate of their source")        \
	X(HELLO_BUSY, hello_busy, "HELLOs not begun with: too many of their network wait, they waited too long, or under load another of the peer is under way") \
	X(HELLO_BAD_CRYPTO, hello_bad_crypto, "HELLOs that do not decrypt")                        \
	X(HELLO_UNKNOWN_PEER, hello_unknown_peer, "HELLOs of keys that are no peer")               \
	X(HELLO_REPEATED, hello_repeated, "HELLOs that came again from where they were welcomed")  \
	X(HELLO_REPLAYED, hello_replayed, "HELLOs that are not new, or not from where their cookie is good") \
	X(HELLO_PEER_LIMITED, hello_peer_limited, "HELLOs beyond the rate of their peer")          \
	X(HELLO_WANTS_COOKIE, hello_wants_cookie, "HELLOs without a cookie whose peer had a session in BIRTH") \
	X(HELLO_TOO_MANY_BIRTHS, hello_too_many_births, "HELLOs of a peer that had two sessions in BIRTH") \
	X(HELLO_SESSION_LIMIT, hello_session_limit, "HELLOs refused because there are as many sessions as max_sessions allows") \
	X(HELLO_NO_MEMORY, hello_no_memory, "HELLOs refused for want of memory or table space")    \
	X(NO_MEMORY, no_memory, "key agreements, policies and sessions of a client put off for want of memory") \
	X(COOKIE_SENT, cookie_sent, "COOKIEs sent")                                                \
	X(WELCOME_SENT, welcome_sent, "WELCOMEs sent")                                             \
	X(WELCOME_BAD, welcome_bad, "WELCOMEs or COOKIEs that answer no HELLO of ours")            \
	X(RESET_SENT, reset_sent, "RESETs sent")                                                   \
	X(RESET_IGNORED, reset_ignored, "RESETs without a token of ours")                          \
	X(RESET_FOREIGN, reset_foreign, "of these, such as a second server with our server's key and node id sends") \
	X(ICMP_SENT, icmp_sent, "ICMP errors sent into the tunnel")                                \
	X(ILLEGAL_TRANSITION, illegal_transition, "transitions the state machine refused")         \
	X(AUDIT_LOST, audit_lost, "audit records lost to a full ring")                             \
	X(LOG_LOST, log_lost, "log lines lost because nobody read stderr")

enum counter {
#define X(NAME, name, text) COUNT_##NAME,
	COUNTER_LIST(X)
#undef X
	COUNTER_COUNT
};

struct counters {
	uint64_t n[COUNTER_COUNT];
};

const char *counter_name(unsigned int counter); /* NULL out of range */
const char *counter_text(unsigned int counter);

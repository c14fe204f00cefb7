/*
 * What changes in an inner packet because it travels in a tunnel: the MSS of a TCP SYN, ECN, and fragments of what
 * is too large for the path. Pure functions on bytes that inner_parse() has taken for one whole IP packet.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ECN_MASK 0x03
enum ecn { ECN_NOT_ECT = 0, ECN_ECT1 = 1, ECN_ECT0 = 2, ECN_CE = 3 };

/*
 * Lowers the MSS option of a TCP SYN or SYN/ACK so that full segments fit `mtu`, and mends the checksum; never raises
 * it, and adds none where there is none (then it is 536 or 1,220: RFC 9293 section 3.7.1). True: it was changed.
 * Whatever is not plain (a later fragment, options that run out of the header) is left as it is.
 */
bool carry_mss(uint8_t *packet, size_t len, size_t mtu);
bool carry_is_syn(const uint8_t *packet, size_t len); /* what carry_mss() looks at */

/*
 * RFC 6040 section 4.2: ECN of the packet that came in an outer one with `outer`. False: congestion was marked on
 * what cannot answer to it, and the packet is to be dropped.
 */
bool carry_ecn(uint8_t *packet, unsigned int outer);

/* An IPv4 packet that may be fragmented: not IPv6, not DF, and more than a header would be in each. */
bool carry_may_fragment(const uint8_t *packet, size_t len, size_t mtu);
/*
 * Fragment of `packet` with the payload from `at` on (a multiple of 8, 0 first), at most `mtu` bytes, written to
 * `out`; its length, and *at moves on. 0: nothing is left. RFC 791 section 3.2; a fragment can be fragmented again.
 */
size_t carry_fragment(uint8_t *out, const uint8_t *packet, size_t len, size_t mtu, size_t *at);

/* Inner packets: what is one, and the ICMP errors about it, never about an error of ours. */
#include "fuzz.h"

#include "proto/inner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct inner in, of_ours;
	struct ip self;

	if (size < 1 || !inner_parse(data + 1, size - 1, &in))
		return 0;
	/* Not a byte more than the packet's own header says. */
	HOLDS(in.len == size - 1 &&
	      (data[1] >> 4 == 4 ? data[3] << 8 | data[4] : 40 + (data[5] << 8 | data[6])) == in.len);
	HOLDS(ip_is_v4(&in.src) == (data[1] >> 4 == 4) && ip_is_v4(&in.dst) == ip_is_v4(&in.src));
	if (!ip_parse(ip_is_v4(&in.src) == (data[0] < 0xf0) ? "10.8.0.1" : "fd00:8::1", &self))
		abort();
	for (unsigned int why = INNER_NO_ROUTE; why <= INNER_TOO_BIG; why++) {
		uint8_t out[INNER_ICMP_MAX], none[INNER_ICMP_MAX];
		size_t len = inner_unreachable(out, data + 1, size - 1, why, &self, 1280);

		HOLDS(len <= sizeof(out));
		if (len == 0)
			continue;
		HOLDS(inner_parse(out, len, &of_ours) && of_ours.len == len);
		HOLDS(ip_equal(&of_ours.dst, &in.src) && ip_equal(&of_ours.src, &self));
		HOLDS(inner_unreachable(none, out, len, why, &in.src, 1280) == 0);
	}
	return 0;
}

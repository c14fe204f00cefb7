/* CONTROL frames and WELCOME payloads: what is read can be written back, and reads the same again. */
#include "fuzz.h"

#include "base/wire.h"
#include "proto/frame.h"

static void frames(const uint8_t *data, size_t size)
{
	struct reader r = reader_init(data, size);
	struct frame f;

	memset(&f, 0, sizeof(f));
	while (frame_next(&r, &f)) {
		uint8_t first[2048], second[2048];
		struct writer w = writer_init(first, sizeof(first)),
			      again = writer_init(second, sizeof(second));
		struct reader back;
		struct frame g;

		memset(&g, 0, sizeof(g));
		HOLDS(frame_name(f.type));
		frame_write(&w, &f);
		HOLDS(!w.error && w.len > 0);
		back = reader_init(first, w.len);
		HOLDS(frame_next(&back, &g) && g.type == f.type);
		frame_write(&again, &g);
		HOLDS(!again.error && again.len == w.len && memcmp(first, second, w.len) == 0);
		HOLDS(!frame_next(&back, &g) && !back.error);
	}
}

static void welcomes(const uint8_t *data, size_t size)
{
	uint8_t out[PROTO_WELCOME_PAYLOAD];
	struct writer w = writer_init(out, sizeof(out));
	static struct welcome in;
	size_t len;

	if (!welcome_read(data, size, &in) || size > sizeof(out))
		return;
	welcome_write(&w, &in);
	len = sizeof(struct welcome_payload) + in.locators * sizeof(struct wire_locator) +
	      in.items * sizeof(struct wire_net_item);
	HOLDS(!w.error && w.len == sizeof(out) && len <= size && memcmp(out, data, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] & 1)
		welcomes(data + 1, size - 1);
	else
		frames(data + 1, size - 1);
	return 0;
}

/* The inline parts of base: cursors, big-endian integers, the list, time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/list.h"
#include "base/time.h"
#include "base/wire.h"

static void test_integers(void **state)
{
	static const uint8_t bytes[8] = { 0x01, 0x82, 0x03, 0x84, 0x05, 0x86, 0x07, 0x88 };
	be16 b16 = put_be16(0x0182);
	be32 b32 = put_be32(0x01820384);
	be48 b48 = put_be48(0x018203840586);
	be64 b64 = put_be64(0x0182038405860788);

	assert_memory_equal(b16.b, bytes, 2);
	assert_memory_equal(b32.b, bytes, 4);
	assert_memory_equal(b48.b, bytes, 6);
	assert_memory_equal(b64.b, bytes, 8);
	assert_int_equal(get_be16(b16), 0x0182);
	assert_int_equal(get_be32(b32), 0x01820384);
	assert_true(get_be48(b48) == UINT64_C(0x018203840586));
	assert_true(get_be64(b64) == UINT64_C(0x0182038405860788));
	assert_true(get_be32(put_be32(UINT32_MAX)) == UINT32_MAX);
	assert_true(get_be48(put_be48(UINT64_MAX)) == UINT64_C(0xffffffffffff));
}

/* Once past its end a reader answers zeroes for ever, even where a shorter read would fit. */
static void test_reader(void **state)
{
	static const uint8_t data[5] = { 1, 2, 3, 4, 5 };
	struct reader r = reader_init(data, sizeof(data));
	uint8_t out[4] = { 9, 9, 9, 9 };

	assert_int_equal(read_u8(&r), 1);
	read_bytes(&r, out, 2);
	assert_int_equal(out[1], 3);
	assert_int_equal(r.left, 2);
	read_bytes(&r, out, 3);
	assert_true(r.error);
	assert_int_equal(out[0] | out[1] | out[2], 0);
	assert_int_equal(out[3], 9);
	assert_int_equal(r.left, 2);
	assert_int_equal(read_u8(&r), 0);
	assert_int_equal(r.left, 2);
}

static void test_writer(void **state)
{
	uint8_t room[6] = { 0, 0, 0, 0, 0, 0xee };
	struct writer w = writer_init(room, 5);

	write_u8(&w, 7);
	write_bytes(&w, "abc", 3);
	assert_int_equal(w.len, 4);
	write_bytes(&w, "de", 2);
	assert_true(w.error);
	assert_int_equal(w.len, 4);
	write_u8(&w, 8); /* would fit, but the message is broken already */
	assert_int_equal(w.len, 4);
	assert_int_equal(room[4], 0);
	assert_int_equal(room[5], 0xee);
}

static void test_list(void **state)
{
	struct item { int n; struct list node; } item[4] = { { .n = 0 }, { .n = 1 }, { .n = 2 }, { .n = 3 } };
	struct list a, b, *pos, *tmp;
	int sum = 0, order = 0;

	list_init(&a);
	list_init(&b);
	assert_true(list_is_empty(&a));
	for (int i = 0; i < 3; i++)
		list_append(&a, &item[i].node);
	list_append(&b, &item[3].node);
	list_splice(&a, &b);
	assert_true(list_is_empty(&b));
	list_for_each(pos, &a)
		assert_int_equal(container_of(pos, struct item, node)->n, order++);
	assert_int_equal(order, 4);
	list_for_each_safe(pos, tmp, &a) {
		sum += container_of(pos, struct item, node)->n;
		list_remove(pos);
		assert_true(list_is_empty(pos));
	}
	assert_int_equal(sum, 6);
	assert_true(list_is_empty(&a));
	list_splice(&a, &b);
	assert_true(list_is_empty(&a));
}

static void test_time(void **state)
{
	const struct jv_time t = { 1500 }, u = time_add_ms(t, 2);

	assert_int_equal(u.us, 3500);
	assert_int_equal(time_diff_us(u, t), 2000);
	assert_int_equal(time_since_ms(u, t), 2);
	assert_int_equal(time_since_ms(time_add_us(u, -1), t), 1); /* whole milliseconds only */
	assert_int_equal(time_since_ms(t, u), 0);                  /* never negative */
	assert_true(time_before(t, u) && !time_before(u, t) && !time_before(t, t));
	assert_int_equal(time_min(t, u).us, t.us);
	assert_int_equal(time_max(t, TIME_NEVER).us, INT64_MAX);
	assert_true(time_is_never(TIME_NEVER) && !time_is_never(u));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_integers), cmocka_unit_test(test_reader), cmocka_unit_test(test_writer),
		cmocka_unit_test(test_list),     cmocka_unit_test(test_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

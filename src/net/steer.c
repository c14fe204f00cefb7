/*
 * Steering in the kernel: of datagrams by the locator, of inner packets by destination.
 *
 * The first program sees the UDP payload from offset 0, in IPv4 and IPv6 alike. What it returns is the position
 * of a socket in the group, in bind order.
 */
#include "net/steer.h"

#include <assert.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "jumpvpn/locator.h"

#define CODE_MAX 32
#define HELLO_OFFSET offsetof(struct packet_hello, e)

struct code {
	struct sock_filter insn[CODE_MAX];
	unsigned short n;
};

static void put(struct code *c, uint16_t op, uint32_t k)
{
	if (c->n == CODE_MAX)
		bug("a steering program of more than %d instructions", CODE_MAX);
	c->insn[c->n++] = (struct sock_filter)BPF_STMT(op, k);
}

/* Begins a rule for datagrams of this type and `least` bytes or more; answers what rule_ends() needs. */
static unsigned short rule_begins(struct code *c, uint8_t type, uint32_t least)
{
	const unsigned short at = c->n;

	/* A load beyond the end would answer socket 0: look at the length first. */
	put(c, BPF_LD | BPF_W | BPF_LEN, 0);
	put(c, BPF_JMP | BPF_JGE | BPF_K, least);
	put(c, BPF_LD | BPF_B | BPF_ABS, 0);
	put(c, BPF_JMP | BPF_JEQ | BPF_K, type);
	return at;
}

/* Other datagrams go on here. */
static void rule_ends(struct code *c, unsigned short at)
{
	c->insn[at + 1].jf = (uint8_t)(c->n - (at + 2));
	c->insn[at + 3].jf = (uint8_t)(c->n - (at + 4));
}

/* As locator_worker(). */
static void rule_sealed(struct code *c, unsigned int workers, uint32_t key)
{
	const unsigned short rule = rule_begins(c, PACKET_SEALED, PROTO_HASHED_OFFSET + 4);

	put(c, BPF_LD | BPF_W | BPF_ABS, PROTO_HASHED_OFFSET);
	put(c, BPF_ALU | BPF_MUL | BPF_K, key);
	put(c, BPF_ALU | BPF_RSH | BPF_K, LOCATOR_SHIFT);
	put(c, BPF_ALU | BPF_MOD | BPF_K, workers);
	put(c, BPF_RET | BPF_A, 0);
	rule_ends(c, rule);
}

/* HELLOs, by four bytes of their ephemeral key, so that one that comes again comes to who remembers it; and all that is
 * nothing, for it must not crowd out what is. Bytes that are not there count as zero. */
static void rule_others(struct code *c, unsigned int workers)
{
	const unsigned short rule = c->n;

	put(c, BPF_LD | BPF_W | BPF_LEN, 0);
	put(c, BPF_JMP | BPF_JGE | BPF_K, HELLO_OFFSET + 4);
	put(c, BPF_LD | BPF_W | BPF_ABS, HELLO_OFFSET);
	put(c, BPF_ALU | BPF_MOD | BPF_K, workers);
	put(c, BPF_ALU | BPF_ADD | BPF_K, workers);
	put(c, BPF_RET | BPF_A, 0);
	c->insn[rule + 1].jf = (uint8_t)(c->n - (rule + 2));
	put(c, BPF_RET | BPF_K, workers);
}

int steer_reuseport(int fd, unsigned int workers, uint32_t key)
{
	struct code c = { .n = 0 };
	struct sock_fprog program = { .filter = c.insn };

	if (workers == 0 || workers > PROTO_WORKERS_MAX)
		return -EINVAL;
	rule_sealed(&c, workers, key);
	rule_others(&c, workers);
	program.len = c.n;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) < 0)
		return -errno;
	return 0;
}

/* --- the tunnel device --- */

#define ENTRIES_MAX (1u << 20) /* a bound: memory is taken for each entry as it comes */

struct steer_key {       /* as BPF_MAP_TYPE_LPM_TRIE wants it */
	uint32_t bits;   /* of what follows */
	uint32_t family; /* 4 or 6, for ::/0 holds no IPv4 */
	uint8_t ip[16];  /* IPv4 as ::ffff:a.b.c.d */
};
static_assert(sizeof(struct steer_key) == 24, "no padding in the key");
#define FAMILY_BITS 32

struct steer {
	int map;
	struct steer_entry *entries; /* what the map holds, in order */
	size_t n;
	bool unsure; /* a change failed: write all of it the next time */
};

static int bpf(int command, const union bpf_attr *attr)
{
	long rc = syscall(SYS_bpf, command, attr, sizeof(*attr));

	return rc < 0 ? -errno : (int)rc;
}

static uint64_t pointer(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

/* Instructions, named as in the kernel's Documentation/bpf. R10 is the frame; arguments are R1 to R5. */
/* clang-format off */
#define INSN(c, d, s, o, i) { .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) }
#define MOV_REG(d, s) INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define MOV_IMM(d, i) INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define ADD_IMM(d, i) INSN(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define SHIFT_RIGHT(d, i) INSN(BPF_ALU64 | BPF_RSH | BPF_K, d, 0, 0, i)
#define LOAD(size, d, s, o) INSN(BPF_LDX | BPF_MEM | (size), d, s, o, 0)
#define STORE_IMM(size, d, o, i) INSN(BPF_ST | BPF_MEM | (size), d, 0, o, i)
#define STORE_REG(size, d, s, o) INSN(BPF_STX | BPF_MEM | (size), d, s, o, 0)
#define LOAD_MAP(d, fd) INSN(BPF_LD | BPF_IMM | BPF_DW, d, BPF_PSEUDO_MAP_FD, 0, fd), INSN(0, 0, 0, 0, 0)
#define JUMP(o) INSN(BPF_JMP | BPF_JA, 0, 0, o, 0)
#define JUMP_EQ(d, i, o) INSN(BPF_JMP | BPF_JEQ | BPF_K, d, 0, o, i)
#define JUMP_NE(d, i, o) INSN(BPF_JMP | BPF_JNE | BPF_K, d, 0, o, i)
#define CALL(function) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, function)
#define EXIT() INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

/* Copies `len` bytes of the packet from `at` to the frame; R0 is 0 when they are there. The packet is in R6. */
#define COPY_PACKET(at, to, len) \
	MOV_REG(1, 6), MOV_IMM(2, at), MOV_REG(3, 10), ADD_IMM(3, to), MOV_IMM(4, len), \
	CALL(BPF_FUNC_skb_load_bytes)
/* clang-format on */

/* Offsets in the frame. */
enum {
	KEY = -(int)sizeof(struct steer_key),
	KEY_FAMILY = KEY + (int)offsetof(struct steer_key, family),
	KEY_IP = KEY + (int)offsetof(struct steer_key, ip),
	VERSION = KEY - 4,
};

/* A packet of a tunnel device begins with its IP header. */
static int load_program(int map)
{
	const struct bpf_insn code[] = {
		MOV_REG(6, 1),
		COPY_PACKET(0, VERSION, 1),
		JUMP_NE(0, 0, 34), /* -> neither */
		LOAD(BPF_B, 7, 10, VERSION),
		SHIFT_RIGHT(7, 4),
		JUMP_EQ(7, 6, 12), /* -> IPv6 */
		JUMP_NE(7, 4, 30), /* -> neither */

		/* IPv4: the address stands at 16, and belongs behind ::ffff: */
		STORE_IMM(BPF_DW, 10, KEY_IP, 0),
		STORE_IMM(BPF_H, 10, KEY_IP + 8, 0),
		STORE_IMM(BPF_H, 10, KEY_IP + 10, 0xffff),
		COPY_PACKET(16, KEY_IP + 12, 4),
		JUMP_NE(0, 0, 20), /* -> neither */
		JUMP(7),           /* -> look it up */

		/* IPv6 */
		COPY_PACKET(24, KEY_IP, 16),
		JUMP_NE(0, 0, 12), /* -> neither */

		/* look it up */
		STORE_IMM(BPF_W, 10, KEY, FAMILY_BITS + 128),
		STORE_REG(BPF_W, 10, 7, KEY_FAMILY),
		LOAD_MAP(1, map),
		MOV_REG(2, 10),
		ADD_IMM(2, KEY),
		CALL(BPF_FUNC_map_lookup_elem),
		JUMP_EQ(0, 0, 2), /* -> not there */
		LOAD(BPF_W, 0, 0, 0),
		EXIT(),

		/* not there: the kernel takes the rest of the division by the number of queues */
		LOAD(BPF_B, 0, 10, KEY_IP + 15),
		EXIT(),

		/* neither */
		MOV_IMM(0, 0),
		EXIT(),
	};
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
				.insn_cnt = sizeof(code) / sizeof(code[0]),
				.insns = pointer(code),
				.license = pointer("") };

	return bpf(BPF_PROG_LOAD, &attr);
}

static int make_map(void)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_LPM_TRIE,
				.key_size = sizeof(struct steer_key),
				.value_size = sizeof(uint32_t),
				.max_entries = ENTRIES_MAX,
				.map_flags = BPF_F_NO_PREALLOC };

	return bpf(BPF_MAP_CREATE, &attr);
}

/* The device holds the program, and the program the map. */
static int attach(int tun_fd, int map)
{
	int program = load_program(map);
	int rc;

	if (program < 0)
		return program;
	rc = ioctl(tun_fd, TUNSETSTEERINGEBPF, &program) < 0 ? -errno : 0;
	close(program);
	return rc;
}

struct steer *steer_tunnel(int tun_fd, int *error)
{
	struct steer *s = calloc(1, sizeof(*s));

	*error = -ENOMEM;
	if (!s)
		return NULL;
	s->map = make_map();
	*error = s->map < 0 ? s->map : attach(tun_fd, s->map);
	if (*error == 0)
		return s;
	steer_free(s);
	return NULL;
}

void steer_free(struct steer *s)
{
	if (!s)
		return;
	if (s->map >= 0)
		close(s->map);
	free(s->entries);
	free(s);
}

static int change(const struct steer *s, int command, const struct steer_entry *e)
{
	struct steer_key key = { .bits = FAMILY_BITS + e->to.len, .family = ip_is_v4(&e->to.ip) ? 4 : 6 };
	union bpf_attr attr = { .map_fd = (uint32_t)s->map, .key = pointer(&key) };

	if (command == BPF_MAP_UPDATE_ELEM)
		attr.value = pointer(&e->worker);
	memcpy(key.ip, e->to.ip.b, sizeof(key.ip));
	return bpf(command, &attr);
}

static int order(const void *a, const void *b)
{
	const struct steer_entry *x = a, *y = b;
	int by_address = memcmp(x->to.ip.b, y->to.ip.b, sizeof(x->to.ip.b));

	return by_address ? by_address : (int)x->to.len - (int)y->to.len;
}

/* Both lists in order, side by side: what is only in the old one goes, what is new or moved is written. */
static int replace(const struct steer *s, const struct steer_entry *next, size_t n)
{
	size_t i = 0, k = 0;

	while (i < s->n || k < n) {
		const struct steer_entry *old = &s->entries[i];
		int which = i == s->n ? 1 : k == n ? -1 : order(old, &next[k]);
		int rc = 0;

		if (which < 0)
			rc = change(s, BPF_MAP_DELETE_ELEM, old);
		else if (which > 0 || s->unsure || old->worker != next[k].worker)
			rc = change(s, BPF_MAP_UPDATE_ELEM, &next[k]);
		if (rc < 0 && rc != -ENOENT)
			return rc;
		i += which <= 0;
		k += which >= 0;
	}
	return 0;
}

int steer_set(struct steer *s, const struct steer_entry *entries, size_t n)
{
	struct steer_entry *next = calloc(n + 1, sizeof(*next));
	int rc;

	if (!next)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		next[i] = entries[i];
		next[i].to.ip = ip_masked(&entries[i].to.ip, entries[i].to.len);
	}
	qsort(next, n, sizeof(*next), order);
	rc = replace(s, next, n);
	s->unsure = rc < 0;
	if (rc < 0) {
		free(next);
		return rc;
	}
	free(s->entries);
	s->entries = next;
	s->n = n;
	return 0;
}

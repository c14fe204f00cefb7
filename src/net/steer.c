/*
 * Steering by the worker byte of the locator, in the kernel.
 *
 * The program sees the UDP payload from offset 0, in IPv4 and IPv6 alike. What it returns is the position
 * of a socket in the group, in bind order; a position that does not exist leaves the choice to the kernel's
 * hash of addresses and ports, which is right for a HELLO.
 */
#include "net/steer.h"

#include <errno.h>
#include <linux/filter.h>
#include <stdint.h>
#include <sys/socket.h>

#include "jumpvpn/proto.h"

#define NO_SOCKET 0xffff

int steer_reuseport(int fd, unsigned int workers)
{
	struct sock_filter code[] = {
		/* A load beyond the end would answer 0, worker 0: look at the length first. */
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, PROTO_WORKER_OFFSET, 0, 6),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_DATA, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_CONTROL, 0, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, PROTO_WORKER_OFFSET),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, workers, 1, 0),
		BPF_STMT(BPF_RET | BPF_A, 0),
		BPF_STMT(BPF_RET | BPF_K, NO_SOCKET),
	};
	const struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	if (workers == 0 || workers > PROTO_WORKERS_MAX)
		return -EINVAL;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) < 0)
		return -errno;
	return 0;
}

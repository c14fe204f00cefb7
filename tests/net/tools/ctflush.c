/*
 * Empties the connection tracking table of the network namespace it runs in, as `conntrack -F` does: what a
 * router forgets when it restarts, and the beginning of every NAT rebinding.
 */
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>

#include "tool.h"

struct flush_request {
	struct nlmsghdr nh;
	struct nfgenmsg nf; /* family unspecified, no attributes: everything */
};

struct flush_answer {
	struct nlmsghdr nh;
	struct nlmsgerr err;
};

int main(void)
{
	struct flush_request q = {
		.nh = { .nlmsg_len = sizeof(q), .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
			.nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE },
		.nf = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 },
	};
	struct flush_answer a = { 0 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	if (fd < 0 || send(fd, &q, sizeof(q), 0) < 0 || recv(fd, &a, sizeof(a), 0) < (ssize_t)sizeof(a.nh))
		die("conntrack: %s", strerror(errno));
	if (a.nh.nlmsg_type != NLMSG_ERROR || a.err.error)
		die("conntrack: %s", strerror(-a.err.error));
	close(fd);
	return 0;
}

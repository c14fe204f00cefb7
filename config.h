/* config.h.  Generated from config.h.in by configure.  */
/* Written by configure into build/config.h. */
#pragma once

#define PACKAGE_VERSION "0.1.0"

/* Without a trailing slash. */
#define SYSCONFDIR "/etc"
#define LOCALSTATEDIR "/var"
#define RUNSTATEDIR "/run"

/* 1, or not defined. */
#define HAVE_SODIUM 1
#define HAVE_IPSEC_MB 1

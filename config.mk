# Written by configure into build/config.mk; read by the Makefile.
CC := gcc
AR := ar
CFLAGS := -g -O2
CPPFLAGS := 
LDFLAGS := 
LIBS := 
HARDEN_CFLAGS :=  -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE
HARDEN_LDFLAGS :=  -pie -Wl,-z,relro,-z,now -Wl,-z,noexecstack
LTO_CFLAGS :=  -flto=auto -ffat-lto-objects

VERSION := 0.1.0

DEP_CFLAGS :=         
MBEDTLS_LIBS := -lmbedcrypto
SODIUM_LIBS := -lsodium 
IPSECMB_LIBS := -lIPSec_MB
UV_LIBS := -luv -lpthread -ldl -lrt 
YAML_LIBS := -lyaml 
MNL_LIBS := -lmnl 
JANSSON_LIBS := -ljansson 
CAPNG_LIBS := -lcap-ng 
SECCOMP_LIBS := -lseccomp 
CARES_LIBS := -lcares 
CMOCKA_LIBS := -lcmocka 

prefix := /usr/local
exec_prefix := ${prefix}
sbindir := ${exec_prefix}/sbin
sysconfdir := /etc
localstatedir := /var
runstatedir := /run
datarootdir := ${prefix}/share
mandir := ${datarootdir}/man
systemdsystemunitdir := ${prefix}/lib/systemd/system
sysusersdir := ${prefix}/lib/sysusers.d

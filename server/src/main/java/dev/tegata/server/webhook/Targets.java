// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.webhook;

import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.UnknownHostException;

/// Which addresses are for everybody, and which lead into somebody's own network.
final class Targets {
    private Targets() {}

    /// Whether it may be asked: public addresses, and those of own networks where the operator allows them.
    static boolean mayBeAsked(InetAddress address, boolean privateTargets) {
        return !isNowhere(address) && (privateTargets || !isPrivate(address));
    }

    /// Whether it is nobody's single machine: nothing is ever posted there.
    private static boolean isNowhere(InetAddress address) {
        byte[] bytes = inner(address).getAddress();
        return address.isMulticastAddress()
                || address.isAnyLocalAddress()
                || (bytes.length == 4 && (first(bytes) == 0 || first(bytes) >= 224));
    }

    /// Whether it is this machine, this link, or a network of one's own.
    static boolean isPrivate(InetAddress address) {
        InetAddress inner = inner(address);
        if (inner.isLoopbackAddress() || inner.isLinkLocalAddress() || inner.isSiteLocalAddress()) {
            return true;
        }
        byte[] bytes = inner.getAddress();
        int first = first(bytes);
        int second = bytes[1] & 0xff;
        if (inner instanceof Inet4Address) {
            // Shared address space (RFC 6598), IETF protocols (RFC 6890), benchmarks (RFC 2544).
            return (first == 100 && second >= 64 && second < 128)
                    || (first == 192 && second == 0 && bytes[2] == 0)
                    || (first == 198 && (second == 18 || second == 19));
        }
        // Global unicast is 2000::/3; of it, 2001:0000::/23 is for protocols such as Teredo.
        boolean global = (first & 0xe0) == 0x20;
        return !global || (first == 0x20 && second == 0x01 && (bytes[2] & 0xfe) == 0);
    }

    private static int first(byte[] bytes) {
        return bytes[0] & 0xff;
    }

    /// The IPv4 address that one of IPv6 leads to (NAT64, 6to4, the old compatible form), or the address
    /// itself.
    private static InetAddress inner(InetAddress address) {
        byte[] bytes = address.getAddress();
        if (bytes.length == 16) {
            if (startsWith(bytes, 0x20, 0x02)) {
                return ipv4(bytes, 2);
            }
            if (startsWith(bytes, 0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0)) {
                return ipv4(bytes, 12);
            }
        }
        return address;
    }

    private static boolean startsWith(byte[] bytes, int... prefix) {
        for (int i = 0; i < prefix.length; i++) {
            if ((bytes[i] & 0xff) != prefix[i]) {
                return false;
            }
        }
        return true;
    }

    private static InetAddress ipv4(byte[] bytes, int offset) {
        try {
            return InetAddress.getByAddress(
                    new byte[] {bytes[offset], bytes[offset + 1], bytes[offset + 2], bytes[offset + 3]});
        } catch (UnknownHostException e) {
            throw new IllegalStateException("four bytes are an address", e);
        }
    }
}

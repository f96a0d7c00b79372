// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.acme;

import dev.tegata.platform.Fields;
import java.net.InetAddress;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;

/// What a fleet offers by ACME.
///
/// @param names host names that its devices may have: a name, or `*.` and what follows exactly one
///     label
/// @param networks where http-01 may be fetched from (CIDR); nowhere else. Private networks are what
///     this is for, so none is forbidden and none is there by itself.
/// @param httpPort where http-01 is fetched
/// @param attestation whether device-attest-01 is offered
public record AcmePolicy(List<String> names, List<String> networks, int httpPort, boolean attestation) {
    private static final int MAX_ENTRIES = 100;
    private static final String LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";
    private static final Pattern NAME = Pattern.compile("(" + LABEL + "\\.)+" + LABEL);

    public AcmePolicy {
        names = patterns(names);
        networks = List.copyOf(networks);
        if (networks.size() > MAX_ENTRIES) {
            throw Fields.invalid("networks", "may have at most " + MAX_ENTRIES + " entries");
        }
        networks.forEach(Network::parse);
        if (httpPort < 1 || httpPort > 65_535) {
            throw Fields.invalid("httpPort", "must be from 1 to 65535");
        }
    }

    /// Patterns of host names in lower case.
    static List<String> patterns(List<String> names) {
        if (names.size() > MAX_ENTRIES) {
            throw Fields.invalid("names", "may have at most " + MAX_ENTRIES + " entries");
        }
        List<String> patterns =
                names.stream().map(name -> name.toLowerCase(Locale.ROOT)).toList();
        for (String name : patterns) {
            if (!isName(name.startsWith("*.") ? name.substring(2) : name)) {
                throw Fields.invalid("names", "must be host names, or '*.' before one: '" + name + "'");
            }
        }
        return patterns;
    }

    /// Whether this is a host name of at least two labels, in lower case.
    public static boolean isName(String name) {
        return name.length() <= 253 && NAME.matcher(name).matches();
    }

    /// Whether a device may have this name.
    public boolean allowsName(String name) {
        return anyMatches(names, name);
    }

    static boolean anyMatches(List<String> patterns, String name) {
        return isName(name)
                && patterns.stream()
                        .anyMatch(pattern -> pattern.startsWith("*.")
                                ? name.indexOf('.') > 0
                                        && name.substring(name.indexOf('.')).equals(pattern.substring(1))
                                : name.equals(pattern));
    }

    /// Whether http-01 may be fetched from this address.
    public boolean allowsAddress(InetAddress address) {
        return networks.stream().map(Network::parse).anyMatch(network -> network.holds(address));
    }

    /// Addresses whose first bits are the same.
    private record Network(InetAddress first, int bits) {
        static Network parse(String text) {
            String[] parts = text.split("/", -1);
            try {
                InetAddress first = InetAddress.ofLiteral(parts[0]);
                int all = 8 * first.getAddress().length;
                int bits = parts.length == 2 ? Integer.parseInt(parts[1]) : all;
                if (parts.length <= 2 && bits >= 0 && bits <= all) {
                    return new Network(first, bits);
                }
            } catch (IllegalArgumentException e) {
                // Said below.
            }
            throw Fields.invalid(
                    "networks", "must be addresses with a prefix length, such as 10.0.0.0/8: '" + text + "'");
        }

        boolean holds(InetAddress address) {
            byte[] mine = first.getAddress();
            byte[] other = address.getAddress();
            if (mine.length != other.length) {
                return false;
            }
            for (int bit = 0; bit < bits; bit++) {
                int mask = 0x80 >> (bit % 8);
                if ((mine[bit / 8] & mask) != (other[bit / 8] & mask)) {
                    return false;
                }
            }
            return true;
        }
    }
}

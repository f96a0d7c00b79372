// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server;

import dev.tegata.platform.Texts;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Supplier;

/// Whether addresses and ports can be had, tried out, so that all that is wrong is said by the settings'
/// names before anything else is begun.
public final class ListenAddresses {
    private ListenAddresses() {}

    /// Tries all that a server listens at.
    ///
    /// @throws InvalidConfigException with a sentence for each setting that is wrong
    static void requireFree(ServerConfig config) {
        ServerConfig.Ports ports = config.ports();
        List<String> wrong = new ArrayList<>();
        objection("listen", ports.listen(), Setting.API_PORT.key(), 0).ifPresent(wrong::add);
        if (wrong.isEmpty()) {
            objection("listen", ports.listen(), Setting.API_PORT.key(), ports.api())
                    .ifPresent(wrong::add);
            objection("listen", ports.listen(), Setting.DEVICE_PORT.key(), ports.devices())
                    .ifPresent(wrong::add);
            objection("listen", ports.listen(), Setting.PUBLIC_PORT.key(), ports.publicPki())
                    .ifPresent(wrong::add);
            objection("listen", ports.listen(), Setting.METRICS_PORT.key(), ports.metrics())
                    .ifPresent(wrong::add);
            config.waysIn().coapPort().ifPresent(port -> {
                try (DatagramSocket _ = new DatagramSocket(new InetSocketAddress(ports.listen(), port))) {
                    // It can be had.
                } catch (IOException e) {
                    wrong.add(taken(Setting.COAP_PORT.key(), "UDP port " + port, ports.listen(), e));
                }
            });
        }
        if (!wrong.isEmpty()) {
            throw new InvalidConfigException(wrong);
        }
    }

    /// What `opening` opens at a port that somebody may have taken since it was tried.
    ///
    /// @throws InvalidConfigException where the port cannot be had
    static <T> T open(ServerConfig.Ports ports, Setting setting, int port, Supplier<T> opening) {
        try {
            return opening.get();
        } catch (UncheckedIOException e) {
            objection("listen", ports.listen(), setting.key(), port).ifPresent(problem -> {
                throw new InvalidConfigException(List.of(problem));
            });
            throw e;
        }
    }

    /// What is wrong with a host and a port to listen at; empty where nothing is.
    ///
    /// @param hostSetting what the user calls the host
    /// @param portSetting what the user calls the port
    /// @param port 0 for any, which tries the host alone
    public static Optional<String> objection(String hostSetting, String host, String portSetting, int port) {
        if (port < 0 || port > 65_535) {
            return Optional.of(portSetting + " must be a port from 0 to 65535, not '" + port + "'.");
        }
        try {
            if (host.isBlank()) {
                throw new UnknownHostException(host); // which the JDK takes for the loopback address
            }
            InetAddress address = InetAddress.getByName(host);
            try (ServerSocket _ = new ServerSocket(0, 1, address)) {
                // The host is this machine.
            } catch (IOException e) {
                return Optional.of(hostSetting + " names '" + Texts.quoted(host)
                        + "', which is no address of this machine: give one that it has, 127.0.0.1 for this machine"
                        + " alone, or 0.0.0.0 for all that it has.");
            }
            try (ServerSocket _ = new ServerSocket(port, 1, address)) {
                return Optional.empty();
            } catch (IOException e) {
                return Optional.of(taken(portSetting, "port " + port, host, e));
            }
        } catch (UnknownHostException e) {
            return Optional.of(hostSetting + " names '" + Texts.quoted(host)
                    + "', which is no address and no host that is known here: give an address of this machine,"
                    + " 127.0.0.1 for this machine alone, or 0.0.0.0 for all that it has; a port does not belong to"
                    + " it.");
        }
    }

    private static String taken(String setting, String port, String host, IOException cause) {
        boolean forbidden =
                String.valueOf(cause.getMessage()).toLowerCase(Locale.ROOT).contains("permission");
        return setting + ": " + port
                + (forbidden
                        ? " may not be opened by this user: choose one above 1023, or give the server the right"
                                + " to low ports (CAP_NET_BIND_SERVICE)."
                        : " at " + Texts.quoted(host) + " is taken: stop what listens there, or choose another.");
    }
}

// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import dev.tegata.chip.ChipFactory;
import dev.tegata.chip.ManifestVersion;
import dev.tegata.chip.Preset;
import dev.tegata.chip.VirtualChip;
import dev.tegata.chip.port.ChipServer;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.platform.Texts;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// Virtual chips: make them, and serve them to drivers. Nothing here talks to a server.
@Command
final class ChipCommands {
    private static final int MAX_CHIPS = 100_000;

    private final Session session;

    ChipCommands(Session session) {
        this.session = session;
    }

    @Command(
            description = {
                "Make virtual chips as a vendor would: a file for each, the batch's signed manifest, and the"
                        + " certificates by which vendor and manifest are trusted."
            },
            footer = {
                "  tegata chip make --count 3 --out chips",
                "  tegata chip make --preset trust-manager --manifest-version 2 --out chips",
                "  tegata trust add --purpose manifest-signer --name trial chips/manifest-signer.pem",
                "  tegata manifest import chips/manifest.json --fleet FLEET"
            })
    void make(
            @Option(
                            names = "--count",
                            paramLabel = "N",
                            defaultValue = "1",
                            description = "How many (default: ${DEFAULT-VALUE}).")
                    int count,
            @Option(
                            names = "--preset",
                            paramLabel = "PRESET",
                            defaultValue = "trust-go",
                            description = "trust-go, trust-manager or blank (default: ${DEFAULT-VALUE}).")
                    String preset,
            @Option(
                            names = "--manifest-version",
                            paramLabel = "N",
                            defaultValue = "3",
                            description = "1 or 3, with keys and certificates, or 2, with serial numbers only"
                                    + " (default: ${DEFAULT-VALUE}).")
                    int manifestVersion,
            @Option(names = "--out", paramLabel = "DIR", required = true, description = "Folder for the files.")
                    Path out) {
        if (count < 1 || count > MAX_CHIPS) {
            throw CommandFailure.usage("--count must be from 1 to " + MAX_CHIPS);
        }
        ManifestVersion version = version(manifestVersion);
        ChipFactory factory = new ChipFactory(new SecureRandom());
        List<VirtualChip> chips =
                factory.make(preset(preset), count, InstantSource.system().instant());
        ArrayNode serials = ApiClient.object().putArray("serials");
        try {
            Files.createDirectories(out);
            for (VirtualChip chip : chips) {
                String serial = HexFormat.of().formatHex(chip.serial());
                chip.keepIn(out.resolve(serial + ".chip"));
                serials.add(serial);
            }
            try (OutputStream manifest =
                    new BufferedOutputStream(Files.newOutputStream(out.resolve("manifest.json")))) {
                factory.manifestSigner()
                        .write(chips, version, InstantSource.system().instant(), manifest);
            }
            Files.writeString(
                    out.resolve("manifest-signer.pem"),
                    pem(factory.manifestSigner().certificate()));
            Files.writeString(out.resolve("vendor-root.pem"), pem(factory.rootCertificate()));
        } catch (IOException e) {
            throw CommandFailure.usage("the chips cannot be written to " + out + ": " + Texts.reason(e));
        }
        if (session.json) {
            ObjectNode made = ApiClient.object().put("folder", out.toString());
            made.set("serials", serials);
            session.output().print(made);
        } else {
            session.output()
                    .say("%,d chips are in %s, with manifest.json, manifest-signer.pem and vendor-root.pem."
                            .formatted(count, out));
        }
    }

    @Command(
            description = {
                "Serve one virtual chip on a TCP port, as if the connection were its bus.",
                "",
                "Who can reach the port can use the chip. A chip without --file is a new one, and is gone in the end."
            },
            footer = {"  tegata chip serve --file chips/0123aabbccddeeff01.chip", "  tegata chip serve --preset blank"})
    void serve(
            @Option(names = "--file", paramLabel = "FILE", description = "The chip's file; made where it is missing.")
                    @Nullable
                    Path file,
            @Option(
                            names = "--preset",
                            paramLabel = "PRESET",
                            defaultValue = "trust-go",
                            description =
                                    "What a new chip is: trust-go, trust-manager or blank (default: ${DEFAULT-VALUE}).")
                    String preset,
            @Option(
                            names = "--listen",
                            paramLabel = "ADDRESS",
                            defaultValue = "127.0.0.1",
                            description = "Address to listen at (default: ${DEFAULT-VALUE}).")
                    String listen,
            @Option(
                            names = "--port",
                            paramLabel = "PORT",
                            defaultValue = "2608",
                            description = "Port; 0 takes a free one (default: ${DEFAULT-VALUE}).")
                    int port,
            @Option(
                            names = "--silence",
                            paramLabel = "SECONDS",
                            defaultValue = "300",
                            description =
                                    "How long a client may be silent before it is cut off (default: ${DEFAULT-VALUE}).")
                    int silence)
            throws InterruptedException {
        if (port < 0 || port > 65_535 || silence < 1 || silence > 86_400) {
            throw CommandFailure.usage("--port is from 0 to 65535, --silence from 1 to 86400");
        }
        VirtualChip chip = chip(file, preset(preset));
        try (ChipServer server = ChipServer.start(new InetSocketAddress(listen, port), chip, silence * 1000)) {
            InetSocketAddress address = server.address();
            ObjectNode started = ApiClient.object()
                    .put("address", address.getAddress().getHostAddress() + ":" + address.getPort())
                    .put("serial", HexFormat.of().formatHex(chip.serial()))
                    .put("model", chip.preset().model());
            session.output().fields(started);
            session.output().say("The chip answers until Ctrl-C.");
            new CountDownLatch(1).await();
        } catch (IOException e) {
            throw CommandFailure.unreachable(
                    "the chip cannot be served at " + listen + ":" + port + ": " + e.getMessage());
        }
    }

    private static VirtualChip chip(@Nullable Path file, Preset preset) {
        SecureRandom random = new SecureRandom();
        try {
            if (file != null && Files.exists(file)) {
                return VirtualChip.open(file, random);
            }
            VirtualChip chip =
                    new ChipFactory(random).make(preset, InstantSource.system().instant());
            if (file != null) {
                chip.keepIn(file);
            }
            return chip;
        } catch (IOException e) {
            throw CommandFailure.usage(String.valueOf(e.getMessage()));
        }
    }

    private static Preset preset(String name) {
        for (Preset preset : Preset.values()) {
            if (preset.name().toLowerCase(Locale.ROOT).replace('_', '-').equals(name)) {
                return preset;
            }
        }
        throw CommandFailure.usage("--preset is trust-go, trust-manager or blank, not '" + name + "'");
    }

    private static ManifestVersion version(int number) {
        return Arrays.stream(ManifestVersion.values())
                .filter(version -> version.number() == number)
                .findFirst()
                .orElseThrow(() -> CommandFailure.usage("--manifest-version is 1, 2 or 3, not " + number));
    }

    private static String pem(byte[] der) {
        try {
            return Certificate.parse(Bytes.of(der)).pem();
        } catch (InvalidCertificateException e) {
            throw new IllegalStateException("the factory makes certificates that can be read", e);
        }
    }
}

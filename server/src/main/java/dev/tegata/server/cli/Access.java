// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import dev.tegata.server.Setting;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The server to speak to, the key to show it and the CA to check it by, each with where it was found. An option comes
/// before the environment, the environment before the profile file, the file before a default.
record Access(Found url, Optional<Found> apiKey, Optional<Found> ca) {
    private static final String DEFAULT_URL = "https://localhost:8443";
    private static final Set<String> LOCAL = Set.of("localhost", "127.0.0.1", "[::1]");

    /// A value and where it came from.
    record Found(String value, String from) {
        /// Without the value, which may be a key.
        @Override
        public String toString() {
            return from;
        }
    }

    /// @param url of the option; null where it is not given
    /// @param data the server's data folder, where that was given
    static Access find(@Nullable String url, @Nullable Path data, Path profileFile, Map<String, String> environment) {
        Profile profile = Profile.read(profileFile);
        String file = profileFile.toString();
        Found address = given(url, "--url")
                .or(() -> given(environment.get("TEGATA_URL"), "TEGATA_URL"))
                .or(() -> profile.url().map(value -> new Found(value, file)))
                .orElse(new Found(DEFAULT_URL, "default"));
        URI uri = Profile.uri(address.value());
        Optional<Found> ca = given(environment.get("TEGATA_CA"), "TEGATA_CA")
                .or(() -> data == null ? Optional.empty() : localCa(uri, data))
                .or(() -> profile.ca().map(value -> new Found(value, file)))
                .or(() -> localCa(uri, dataFolder(environment)));
        return new Access(
                new Found(uri.toString(), address.from()),
                given(environment.get("TEGATA_API_KEY"), "TEGATA_API_KEY")
                        .or(() -> profile.apiKey().map(value -> new Found(value, file))),
                ca);
    }

    private static Optional<Found> given(@Nullable String value, String from) {
        return Optional.ofNullable(value).filter(text -> !text.isBlank()).map(text -> new Found(text.strip(), from));
    }

    /// The folder that a server started here would use.
    static Path dataFolder(Map<String, String> environment) {
        return Path.of(environment.getOrDefault(Setting.DATA.variable(), Setting.DATA.fallback()))
                .toAbsolutePath();
    }

    /// The CA that a server on this machine has made for itself.
    private static Optional<Found> localCa(URI url, Path data) {
        Path ca = data.resolve("tls").resolve("ca.pem").toAbsolutePath();
        return LOCAL.contains(url.getHost()) && Files.isReadable(ca)
                ? Optional.of(new Found(ca.toString(), "the server's data folder"))
                : Optional.empty();
    }

    /// The key of the installation's operator: `TEGATA_OPERATOR_KEY`, or what the server wrote into its data folder.
    static String operatorKey(Path data, Terminal terminal) {
        Path file = data.resolve("operator.key");
        String given =
                terminal.environment().getOrDefault("TEGATA_OPERATOR_KEY", "").strip();
        if (!given.isEmpty()) {
            return given;
        }
        if (!Files.isReadable(file)) {
            throw CommandFailure.usage("this needs the operator key, and there is none that can be read at " + file
                    + ".\nName the server's data folder with --data, or set TEGATA_OPERATOR_KEY.");
        }
        return Inputs.text(file, terminal);
    }
}

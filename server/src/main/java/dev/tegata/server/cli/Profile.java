// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import dev.tegata.platform.Texts;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.snakeyaml.engine.v2.api.Dump;
import org.snakeyaml.engine.v2.api.DumpSettings;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.common.FlowStyle;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;

/// The profile file: which server the commands speak to, and with which key. Only its owner can read it.
///
/// ```
/// url: https://localhost:8443
/// apiKey: tgt_…
/// ca: /srv/tegata/tegata-data/tls/ca.pem
/// ```
///
/// @param ca PEM file with the CA of the server's TLS certificate, where it is not a public one
record Profile(Optional<String> url, Optional<String> apiKey, Optional<String> ca) {
    static final Profile EMPTY = new Profile(Optional.empty(), Optional.empty(), Optional.empty());
    private static final Set<String> KEYS = Set.of("url", "apiKey", "ca");
    private static final long LARGEST = 16 * 1024;

    /// Where the file is: `TEGATA_PROFILE`, or `tegata/profile.yaml` under `XDG_CONFIG_HOME` (`~/.config`).
    static Path file(Map<String, String> environment) {
        String explicit = environment.get("TEGATA_PROFILE");
        if (explicit != null) {
            return Path.of(explicit);
        }
        String configHome = environment.get("XDG_CONFIG_HOME");
        Path base = configHome != null
                ? Path.of(configHome)
                : Path.of(environment.getOrDefault("HOME", System.getProperty("user.home")), ".config");
        return base.resolve("tegata").resolve("profile.yaml");
    }

    /// What `file` holds; nothing where it does not exist.
    static Profile read(Path file) {
        if (!Files.exists(file)) {
            return EMPTY;
        }
        Map<String, String> values = values(file);
        return new Profile(value(values, "url"), value(values, "apiKey"), value(values, "ca"));
    }

    private static Optional<String> value(Map<String, String> values, String key) {
        return Optional.ofNullable(values.get(key)).filter(text -> !text.isBlank());
    }

    private static Map<String, String> values(Path file) {
        Map<String, String> values = new TreeMap<>();
        try {
            if (Files.size(file) > LARGEST) {
                throw CommandFailure.usage("the profile " + file + " is larger than " + LARGEST + " bytes");
            }
            Object content = new Load(LoadSettings.builder()
                            .setAllowDuplicateKeys(false)
                            .setMaxAliasesForCollections(0)
                            .build())
                    .loadFromString(Files.readString(file));
            if (content != null && !(content instanceof Map<?, ?>)) {
                throw CommandFailure.usage("the profile " + file + " must hold lines of the form 'url: …'");
            }
            if (content instanceof Map<?, ?> map) {
                map.forEach((key, value) -> values.put(String.valueOf(key), value == null ? "" : value.toString()));
            }
        } catch (IOException e) {
            throw CommandFailure.usage("the profile " + file + " cannot be read");
        } catch (YamlEngineException e) {
            // The parser's own message would repeat the line, which may hold the key.
            throw CommandFailure.usage("the profile " + file + " is no YAML");
        }
        for (String key : values.keySet()) {
            if (!KEYS.contains(key)) {
                throw CommandFailure.usage(
                        "the profile " + file + " has the unknown key '" + key + "'; known are url, apiKey and ca");
            }
        }
        return values;
    }

    /// Whether others than the owner may read `file`.
    static boolean isOpenToOthers(Path file) {
        try {
            Set<PosixFilePermission> rights = Files.getPosixFilePermissions(file);
            return rights.contains(PosixFilePermission.GROUP_READ) || rights.contains(PosixFilePermission.OTHERS_READ);
        } catch (IOException | UnsupportedOperationException e) {
            return false;
        }
    }

    /// The server's address in `text`.
    static URI uri(String text) {
        try {
            URI uri = URI.create(text.strip());
            if ("https".equals(uri.getScheme())
                    && uri.getHost() != null
                    && (uri.getPath().isEmpty() || uri.getPath().equals("/"))) {
                return uri;
            }
        } catch (IllegalArgumentException e) {
            // Said below.
        }
        throw CommandFailure.usage("the server's address must be like https://host:8443, not '" + text + "'");
    }

    /// Writes the file anew, readable by its owner only.
    void save(Path file) {
        Map<String, String> values = new TreeMap<>();
        url.ifPresent(value -> values.put("url", value));
        apiKey.ifPresent(value -> values.put("apiKey", value));
        ca.ifPresent(value -> values.put("ca", value));
        String yaml = new Dump(DumpSettings.builder()
                        .setDefaultFlowStyle(FlowStyle.BLOCK)
                        .build())
                .dumpToString(values);
        Path target = file.toAbsolutePath();
        try {
            Path folder = Objects.requireNonNullElse(target.getParent(), target);
            if (!Files.isDirectory(folder)) {
                Files.createDirectories(
                        folder, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            }
            Path temporary = Files.createTempFile(
                    folder,
                    "profile",
                    ".new",
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
            Files.writeString(temporary, yaml);
            Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw CommandFailure.usage("the profile " + file + " cannot be written: " + Texts.reason(e));
        }
    }

    /// Without the key.
    @Override
    public String toString() {
        return "Profile[url=" + url + ", ca=" + ca + "]";
    }
}

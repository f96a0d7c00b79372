// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.run;

import dev.tegata.agent.Agent.Habits;
import dev.tegata.agent.Network;
import dev.tegata.agent.store.AgentState.Home;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.CheckInForm;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/// The agent's settings, read from a file. An unknown one is refused: it is more likely a slip of the pen
/// than a wish.
final class AgentConfig {
    private static final long MAX_SIZE = 64 * 1024;
    private static final long MAX_TOKEN = 1024;

    private final Path file;
    private final Map<AgentSetting, String> values = new EnumMap<>(AgentSetting.class);
    private final Map<String, String> firmware = new TreeMap<>();

    private AgentConfig(Path file) {
        this.file = file;
    }

    /// The settings are wrong; the message tells a person which.
    static final class InvalidException extends Exception {
        private static final long serialVersionUID = 1L;

        InvalidException(String message) {
            super(message);
        }
    }

    static AgentConfig read(Path file) throws InvalidException {
        AgentConfig config = new AgentConfig(file);
        List<String> lines;
        try {
            if (Files.size(file) > MAX_SIZE) {
                throw new InvalidException(file + " is too long for a file of settings");
            }
            lines = Files.readAllLines(file);
        } catch (IOException e) {
            throw new InvalidException("the settings in " + file + " cannot be read: " + e.getMessage());
        }
        for (int number = 1; number <= lines.size(); number++) {
            config.take(lines.get(number - 1).strip(), number);
        }
        return config;
    }

    private void take(String line, int number) throws InvalidException {
        if (line.isEmpty() || line.startsWith("#")) {
            return;
        }
        int equals = line.indexOf('=');
        String key = equals < 0 ? line : line.substring(0, equals).strip();
        String value = equals < 0 ? "" : line.substring(equals + 1).strip();
        if (value.isEmpty()) {
            throw wrong(number, "a setting has the form 'key = value'");
        }
        Optional<AgentSetting> setting = AgentSetting.of(key);
        String previous;
        if (setting.isPresent()) {
            // The server spells serial numbers so, and orders name the device by its own.
            String spelt = setting.get() == AgentSetting.SERIAL ? value.toLowerCase(Locale.ROOT) : value;
            previous = values.put(setting.get(), spelt);
        } else if (key.startsWith(AgentSetting.FIRMWARE) && key.length() > AgentSetting.FIRMWARE.length()) {
            previous = firmware.put(key.substring(AgentSetting.FIRMWARE.length()), value);
        } else {
            throw wrong(number, "there is no setting '" + key + "'");
        }
        if (previous != null) {
            throw wrong(number, "'" + key + "' is there twice");
        }
    }

    private InvalidException wrong(int number, String sentence) {
        return new InvalidException(file + ", line " + number + ": " + sentence);
    }

    private InvalidException wrong(String sentence) {
        return new InvalidException(file + ": " + sentence);
    }

    String require(AgentSetting setting) throws InvalidException {
        String value = values.get(setting);
        if (value == null) {
            throw wrong("'" + setting.key() + "' is missing. " + setting.description());
        }
        return value;
    }

    Optional<String> find(AgentSetting setting) {
        return Optional.ofNullable(values.get(setting));
    }

    Path path(AgentSetting setting) throws InvalidException {
        return Path.of(require(setting)).toAbsolutePath();
    }

    Path data() throws InvalidException {
        return path(AgentSetting.DATA);
    }

    Home home() throws InvalidException {
        Optional<URI> relay = relay();
        String url = relay.isPresent() && find(AgentSetting.SERVER).isEmpty()
                ? relay.get().toString()
                : address(AgentSetting.SERVER, "https", "https://devices.example:8444")
                        .toString();
        return new Home(url, require(AgentSetting.FLEET), certificates(AgentSetting.TRUST_ANCHORS));
    }

    Network network() throws InvalidException {
        return relay().map(Network::behind).orElseGet(Network::ofThisMachine);
    }

    private Optional<URI> relay() throws InvalidException {
        return find(AgentSetting.RELAY).isPresent()
                ? Optional.of(address(AgentSetting.RELAY, "http", "http://192.168.4.1:8445"))
                : Optional.empty();
    }

    private URI address(AgentSetting setting, String scheme, String example) throws InvalidException {
        String url = require(setting).replaceAll("/+$", "");
        try {
            URI uri = URI.create(url);
            if (!scheme.equals(uri.getScheme())
                    || uri.getHost() == null
                    || !uri.getPath().isEmpty()) {
                throw new IllegalArgumentException();
            }
            return uri;
        } catch (IllegalArgumentException e) {
            throw wrong("'" + setting.key() + "' must be like " + example + ", not '" + url + "'");
        }
    }

    /// Empty where the settings name none.
    List<Bytes> birthChain() throws InvalidException {
        return find(AgentSetting.BIRTH_CHAIN).isPresent() ? certificates(AgentSetting.BIRTH_CHAIN) : List.of();
    }

    private Optional<String> claimToken() throws InvalidException {
        if (find(AgentSetting.CLAIM_TOKEN_FILE).isEmpty()) {
            return Optional.empty();
        }
        if (relay().isPresent()) {
            throw wrong("'claim-token-file' does not go with 'relay': a gateway could use the token for itself."
                    + " Let the device enrol once with 'server' where it reaches the server, then set 'relay';"
                    + " or claim it with its birth key, and no token is needed");
        }
        Path file = path(AgentSetting.CLAIM_TOKEN_FILE);
        try {
            // A token that has been used may be taken away.
            if (!Files.exists(file)) {
                return Optional.empty();
            }
            String token =
                    Files.size(file) > MAX_TOKEN ? "" : Files.readString(file).strip();
            if (!token.matches("[A-Za-z0-9_.~+/=-]+")) {
                throw wrong("'claim-token-file' in " + file + " holds no claim token");
            }
            return Optional.of(token);
        } catch (IOException e) {
            throw wrong("the claim token in " + file + " cannot be read: " + e.getMessage());
        }
    }

    /// DER certificates from a PEM file.
    List<Bytes> certificates(AgentSetting setting) throws InvalidException {
        Path pem = path(setting);
        try {
            return Certificate.parsePem(Files.readString(pem)).stream()
                    .map(Certificate::encoded)
                    .toList();
        } catch (IOException | InvalidCertificateException e) {
            throw wrong("the certificates of '" + setting.key() + "' in " + pem + " cannot be read: " + e.getMessage());
        }
    }

    int number(AgentSetting setting) throws InvalidException {
        String text = require(setting);
        try {
            return Integer.parseUnsignedInt(
                    text.toLowerCase(Locale.ROOT).startsWith("0x") ? text.substring(2) : text,
                    text.toLowerCase(Locale.ROOT).startsWith("0x") ? 16 : 10);
        } catch (NumberFormatException e) {
            throw wrong("'" + setting.key() + "' must be a number, not '" + text + "'");
        }
    }

    List<CheckIn.Component> firmware() throws InvalidException {
        List<CheckIn.Component> components = new ArrayList<>();
        for (Map.Entry<String, String> entry : firmware.entrySet()) {
            String[] parts = entry.getValue().split("\\s+", 2);
            try {
                Optional<Bytes> digest = Optional.empty();
                if (parts.length == 2) {
                    if (!parts[1].startsWith("sha256:")) {
                        throw new IllegalArgumentException("a digest looks like sha256:… in hex");
                    }
                    digest = Optional.of(Bytes.ofHex(parts[1].substring("sha256:".length())));
                }
                components.add(new CheckIn.Component(entry.getKey(), parts[0], digest));
            } catch (IllegalArgumentException e) {
                throw wrong("'" + AgentSetting.FIRMWARE + entry.getKey() + "': " + e.getMessage());
            }
        }
        return components;
    }

    Habits habits() throws InvalidException {
        try {
            return new Habits(
                    find(AgentSetting.RENEW_AT).map(Double::valueOf).orElse(Habits.USUAL.renewAt()),
                    flag(AgentSetting.NEW_KEY_AT_RENEWAL),
                    CheckInForm.CBOR,
                    claimToken(),
                    parallelKey());
        } catch (IllegalArgumentException e) {
            throw wrong("'renew-at' must be a number from 0.1 to 0.95");
        }
    }

    private Optional<KeyAlgorithm> parallelKey() throws InvalidException {
        Optional<KeyAlgorithm> key = Optional.empty();
        if (find(AgentSetting.PARALLEL_KEY).isPresent()) {
            String name = require(AgentSetting.PARALLEL_KEY);
            key = Arrays.stream(KeyAlgorithm.values())
                    .filter(algorithm ->
                            algorithm.isPostQuantum() && algorithm.id().equals(name))
                    .findFirst();
            if (key.isEmpty()) {
                throw wrong("'parallel-key' must be ml-dsa-44, ml-dsa-65 or ml-dsa-87, not '" + name + "'");
            }
        }
        return key;
    }

    private boolean flag(AgentSetting setting) throws InvalidException {
        return switch (find(setting).orElse("false")) {
            case "true" -> true;
            case "false" -> false;
            default -> throw wrong("'" + setting.key() + "' must be true or false");
        };
    }

    InvalidException unknownKeys(String value) {
        return wrong("'keys' must be chip-file, chip-tcp, chip-i2c, tpm, pkcs11 or file, not '" + value + "'");
    }
}

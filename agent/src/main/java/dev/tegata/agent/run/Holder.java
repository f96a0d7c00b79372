// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.run;

import dev.tegata.agent.Attester;
import dev.tegata.agent.ChipAttester;
import dev.tegata.agent.ChipKeys;
import dev.tegata.agent.DeviceKeys;
import dev.tegata.agent.FileKeys;
import dev.tegata.agent.Pkcs11Keys;
import dev.tegata.agent.PsaAttester;
import dev.tegata.agent.TpmAttester;
import dev.tegata.agent.TpmKeys;
import dev.tegata.agent.run.AgentConfig.InvalidException;
import dev.tegata.agent.store.Disk;
import dev.tegata.agent.tpm.Tpm;
import dev.tegata.agent.tpm.TpmPort;
import dev.tegata.attestation.psa.SoftwareComponent;
import dev.tegata.chip.VirtualChip;
import dev.tegata.chip.driver.Ecc608;
import dev.tegata.chip.driver.Transport;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Pem;
import dev.tegata.pki.key.KeyHandle;
import dev.tegata.pki.key.KeySpace;
import dev.tegata.pki.key.Pkcs11Config;
import dev.tegata.pki.key.Secret;
import dev.tegata.pki.key.VaultException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/// What holds the device's keys, as the settings say.
///
/// @param serial the serial number under which the device was claimed
/// @param attester that fits the keys, where there is one
record Holder(DeviceKeys keys, String serial, Optional<Attester> attester) {
    private static final int TIMEOUT_MILLIS = 10_000;

    static Holder open(AgentConfig config, SecureRandom random) throws InvalidException, IOException {
        Holder holder = switch (config.require(AgentSetting.KEYS)) {
            case "chip-file" ->
                chip(config, Transport.of(VirtualChip.open(config.path(AgentSetting.CHIP_FILE), random)), random);
            case "chip-tcp" ->
                chip(config, Transport.tcp(address(config, AgentSetting.CHIP_ADDRESS), TIMEOUT_MILLIS), random);
            case "chip-i2c" ->
                chip(
                        config,
                        Transport.i2c(
                                config.path(AgentSetting.CHIP_DEVICE), config.number(AgentSetting.CHIP_I2C_ADDRESS)),
                        random);
            case "tpm" -> tpm(config);
            case "pkcs11" -> pkcs11(config, random);
            case "file" -> file(config, random);
            case String other -> throw config.unknownKeys(other);
        };
        return config.find(AgentSetting.PSA_KEY_FILE).isPresent()
                ? new Holder(holder.keys, holder.serial, Optional.of(psa(config, random)))
                : holder;
    }

    static InetSocketAddress address(AgentConfig config, AgentSetting setting) throws InvalidException {
        String text = config.require(setting);
        int colon = text.lastIndexOf(':');
        if (colon < 1 || !text.substring(colon + 1).matches("[0-9]{1,5}")) {
            throw new InvalidException("'" + setting.key() + "' must be host:port, not '" + text + "'");
        }
        return new InetSocketAddress(text.substring(0, colon), Integer.parseInt(text.substring(colon + 1)));
    }

    private static Holder chip(AgentConfig config, Transport transport, SecureRandom random)
            throws InvalidException, IOException {
        Ecc608 chip = new Ecc608(transport, random);
        try {
            ChipKeys keys = config.find(AgentSetting.BIRTH_CHAIN).isPresent()
                    ? ChipKeys.of(chip, config.birthChain())
                    : ChipKeys.of(chip);
            String serial =
                    config.find(AgentSetting.SERIAL).orElse(HexFormat.of().formatHex(chip.serial()));
            return new Holder(keys, serial, Optional.of(new ChipAttester(chip)));
        } catch (IOException | InvalidException e) {
            chip.close();
            throw e;
        }
    }

    private static Holder tpm(AgentConfig config) throws InvalidException, IOException {
        String where = config.require(AgentSetting.TPM);
        Tpm tpm = new Tpm(
                where.startsWith("/")
                        ? TpmPort.device(Path.of(where))
                        : TpmPort.tcp(address(config, AgentSetting.TPM), TIMEOUT_MILLIS));
        try {
            TpmKeys keys = TpmKeys.of(
                    tpm, Integer.toUnsignedLong(config.number(AgentSetting.TPM_BIRTH_HANDLE)), config.birthChain());
            Optional<Attester> attester = Optional.empty();
            if (config.find(AgentSetting.TPM_QUOTE_HANDLE).isPresent()) {
                attester = Optional.of(new TpmAttester(
                        tpm,
                        Integer.toUnsignedLong(config.number(AgentSetting.TPM_QUOTE_HANDLE)),
                        config.find(AgentSetting.TPM_QUOTE_CHAIN).isPresent()
                                ? config.certificates(AgentSetting.TPM_QUOTE_CHAIN)
                                : List.of(),
                        endorsement(config, tpm),
                        config.find(AgentSetting.TPM_EVENT_LOG).map(Path::of)));
            }
            return new Holder(keys, config.require(AgentSetting.SERIAL), attester);
        } catch (IOException | InvalidException e) {
            tpm.close();
            throw e;
        }
    }

    private static Optional<TpmAttester.Endorsement> endorsement(AgentConfig config, Tpm tpm)
            throws InvalidException, IOException {
        if (config.find(AgentSetting.TPM_ENDORSEMENT_HANDLE).isEmpty()) {
            return Optional.empty();
        }
        List<Bytes> issuers = config.find(AgentSetting.TPM_ENDORSEMENT_ISSUERS).isPresent()
                ? config.certificates(AgentSetting.TPM_ENDORSEMENT_ISSUERS)
                : List.of();
        return Optional.of(TpmAttester.Endorsement.stored(
                tpm, Integer.toUnsignedLong(config.number(AgentSetting.TPM_ENDORSEMENT_HANDLE)), issuers));
    }

    private static Holder pkcs11(AgentConfig config, SecureRandom random) throws InvalidException, IOException {
        try {
            Pkcs11Config token = Pkcs11Config.sharedToken(
                            config.path(AgentSetting.PKCS11_LIBRARY),
                            config.require(AgentSetting.PKCS11_TOKEN),
                            Secret.ofFile(config.path(AgentSetting.PKCS11_PIN_FILE)))
                    .withRefusals(config.data().resolve("refused-pins"));
            return new Holder(
                    Pkcs11Keys.open(
                            token,
                            new KeySpace(config.require(AgentSetting.PKCS11_LABEL)),
                            new KeyHandle(config.require(AgentSetting.PKCS11_BIRTH_ID)),
                            config.birthChain(),
                            random),
                    config.require(AgentSetting.SERIAL),
                    Optional.empty());
        } catch (IllegalArgumentException | VaultException e) {
            throw new InvalidException(String.valueOf(e.getMessage()));
        }
    }

    private static Holder file(AgentConfig config, SecureRandom random) throws InvalidException, IOException {
        FileKeys keys = FileKeys.of(
                Disk.local(),
                config.data().resolve("keys"),
                privateKey(config.path(AgentSetting.KEY_FILE)),
                config.birthChain(),
                random);
        return new Holder(keys, config.require(AgentSetting.SERIAL), Optional.empty());
    }

    private static byte[] privateKey(Path pem) throws InvalidException {
        try {
            List<Bytes> keys = Pem.contents(Files.readString(pem), Pem.PRIVATE_KEY);
            if (keys.size() != 1) {
                throw new IOException("there are " + keys.size() + " keys in it");
            }
            return keys.getFirst().toArray();
        } catch (IOException | EncodingException e) {
            throw new InvalidException("the key in " + pem + " cannot be read: " + e.getMessage());
        }
    }

    private static PsaAttester psa(AgentConfig config, SecureRandom random) throws InvalidException, IOException {
        List<Bytes> chain = config.find(AgentSetting.PSA_CHAIN).isPresent()
                ? config.certificates(AgentSetting.PSA_CHAIN)
                : List.of();
        FileKeys keys = FileKeys.of(
                Disk.local(),
                config.data().resolve("keys"),
                privateKey(config.path(AgentSetting.PSA_KEY_FILE)),
                chain,
                random);
        List<SoftwareComponent> components = config.firmware().stream()
                .filter(component -> component.digest().isPresent())
                .map(component -> new SoftwareComponent(
                        component.component(), component.digest().get(), component.version(), null, null))
                .toList();
        String implementation = config.require(AgentSetting.PSA_IMPLEMENTATION_ID);
        if (!implementation.matches("[0-9a-fA-F]{64}")) {
            throw new InvalidException("'psa-implementation-id' must be 64 hex digits");
        }
        if (components.isEmpty()) {
            throw new InvalidException("a PSA token needs a firmware component with a digest");
        }
        return new PsaAttester(keys.birth().key(), chain, Bytes.ofHex(implementation), components);
    }
}

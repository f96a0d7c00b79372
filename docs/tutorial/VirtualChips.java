// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

import dev.tegata.agent.DeviceIdentity;
import dev.tegata.agent.DeviceKey;
import dev.tegata.agent.EstClient;
import dev.tegata.chip.ChipFactory;
import dev.tegata.chip.ManifestVersion;
import dev.tegata.chip.Preset;
import dev.tegata.chip.VirtualChip;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;

/// Virtual chips for the tutorial: `make` plays the vendor, `enrol` plays a device.
///
/// java -cp "server/target/app/*" docs/tutorial/VirtualChips.java make 3
/// java -cp "server/target/app/*" docs/tutorial/VirtualChips.java enrol chip-0.bin EST_URL CA_FILE
void main(String[] arguments) throws Exception {
    switch (arguments[0]) {
        case "make" -> make(Integer.parseInt(arguments[1]));
        case "enrol" -> enrol(Path.of(arguments[1]), URI.create(arguments[2]), Path.of(arguments[3]));
        default -> throw new IllegalArgumentException(arguments[0]);
    }
}

/// Makes chips, each kept in a file, and the signed manifest that comes with them.
void make(int count) throws Exception {
    ChipFactory factory = new ChipFactory(new SecureRandom());
    Instant now = Instant.now().truncatedTo(ChronoUnit.SECONDS);
    List<VirtualChip> chips = factory.make(Preset.TRUST_GO, count, now);
    for (int i = 0; i < count; i++) {
        chips.get(i).keepIn(Path.of("chip-" + i + ".bin"));
    }
    try (var manifest = Files.newOutputStream(Path.of("manifest.json"))) {
        factory.manifestSigner().write(chips, ManifestVersion.FULL, now, manifest);
    }
    Bytes signer = Bytes.of(factory.manifestSigner().certificate());
    Files.writeString(Path.of("signer.pem"), Certificate.parse(signer).pem());
    IO.println(count + " chips, manifest.json, and the vendor's signer.pem");
}

/// Enrols: the birth key in slot 0 says who the chip is, the key in slot 2 gets the certificate.
void enrol(Path file, URI fleet, Path authority) throws Exception {
    VirtualChip chip = VirtualChip.open(file, new SecureRandom());
    DeviceIdentity birth = DeviceIdentity.of(
            DeviceKey.inChip(chip, 0), chip.certificateChain().stream().map(Bytes::of).toList());
    Bytes anchor = Certificate.parsePem(Files.readString(authority)).getFirst().encoded();
    EstClient est = new EstClient(fleet, List.of(anchor));
    switch (est.enrol(birth, DeviceKey.inChip(chip, 2))) {
        case EstClient.Answer.Enrolled(Certificate certificate) -> IO.println(certificate.pem());
        case EstClient.Answer other -> IO.println(other);
    }
}

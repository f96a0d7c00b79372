// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;

/// The checkout that this program was built in.
final class Checkout {
    private Checkout() {}

    /// Its folder, the one with the launcher in it.
    static Path find() {
        try {
            Path here = Path.of(Checkout.class
                    .getProtectionDomain()
                    .getCodeSource()
                    .getLocation()
                    .toURI());
            for (Path folder = here; folder != null; folder = folder.getParent()) {
                if (Files.isExecutable(folder.resolve("tegata")) && Files.exists(folder.resolve("pom.xml"))) {
                    return folder;
                }
            }
            throw new IllegalStateException(here + " is not inside a checkout of Tegata");
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    static Path launcher() {
        return find().resolve("tegata");
    }
}

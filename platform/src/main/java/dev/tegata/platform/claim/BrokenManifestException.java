// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import java.io.IOException;

/// A file whose framing is broken, so that nothing after the break can be read. The message tells a person where.
final class BrokenManifestException extends IOException {
    private static final long serialVersionUID = 1L;

    BrokenManifestException(String message) {
        super(message);
    }
}

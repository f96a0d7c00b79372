// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.backup;

import java.io.IOException;

/// The content of a backup is not one that a backup has.
public final class BrokenBackupException extends IOException {
    private static final long serialVersionUID = 1L;

    BrokenBackupException(String message) {
        super(message);
    }

    BrokenBackupException(String message, Throwable cause) {
        super(message, cause);
    }
}

// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip.driver;

import dev.tegata.chip.Opcode;
import dev.tegata.chip.Status;
import java.io.IOException;

/// The chip has understood a command and not done it.
public final class ChipException extends IOException {
    private static final long serialVersionUID = 1;

    private final Opcode opcode;
    private final Status status;

    ChipException(Opcode opcode, Status status) {
        super("the chip answered " + opcode + " with " + status);
        this.opcode = opcode;
        this.status = status;
    }

    public Opcode opcode() {
        return opcode;
    }

    public Status status() {
        return status;
    }
}

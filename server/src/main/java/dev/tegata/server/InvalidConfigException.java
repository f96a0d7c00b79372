// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server;

import java.util.List;

/// A configuration that the server does not start with. The message has one sentence per line, each for a person.
public final class InvalidConfigException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public InvalidConfigException(List<String> sentences) {
        super(String.join("\n", sentences));
    }
}

// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// The program `tegata-agent`: its settings, its commands, and what it gives to other programs on the
/// device.
@NullMarked
package dev.tegata.agent.run;

import org.jspecify.annotations.NullMarked;

// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// The main job on one machine: own PKI, a batch of chips claimed, every device enrolled in the field.
@NullMarked
package dev.tegata.server.demo;

import org.jspecify.annotations.NullMarked;

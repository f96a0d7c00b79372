// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Fleets of virtual devices that live their lives in haste: the agent itself, over virtual chips, many to
/// a thread.
@NullMarked
package dev.tegata.agent.simulator;

import org.jspecify.annotations.NullMarked;

// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.job;

/// A piece of a job that was refused.
///
/// @param subject which piece: `device:…`, or what a list called it
/// @param reason the code of the refusal
/// @param detail the sentence for a person
public record JobIssue(String subject, String reason, String detail) {}

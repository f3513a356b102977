//! What the screens do with what they find.

use crate::decode::{choice, section};
use terms::{Name, ServerName};

section! {
    /// The screens; on by default, this only tunes them.
    defaulted Inspect {
        /// The table of actions that explicit keys beat.
        preset, "preset": Preset = Preset::Balanced;
        /// Keys, tokens, passwords. Absent, the preset says it.
        secrets, "secrets": Option<Screen> = None;
        /// Card and account numbers. Absent, the preset says it.
        financial, "financial": Option<Screen> = None;
        /// What identifies a person.
        pii, "pii": Personal = Personal::default();
        /// Instructions to the model.
        injection, "injection": Screen = Screen { action: Action::Flag };
        /// Paths, addresses, stack traces.
        errors, "errors": Screen = Screen { action: Action::Redact };
        /// Arguments of tools that change something, which may hold any text: `block` refuses the call. Absent, the profile says it.
        open_text, "open_text": Option<Screen> = None;
        /// What the screens cannot read.
        media, "media": Media = Media::default();
        /// What is let pass although it is found, each for a time.
        suppress, "suppress": Vec<Suppression> = Vec::new();
    }
}

section! {
    /// One screen.
    Screen {
        /// What happens to what it finds.
        action, "action": Action;
    }
}

section! {
    /// The screen for personal data.
    defaulted Personal {
        /// What happens to what it finds. Absent, the preset says it.
        action, "action": Option<Action> = None;
        /// The operator's own patterns.
        custom, "custom": Vec<Pattern> = Vec::new();
    }
}

section! {
    /// A pattern of the operator's, or words of theirs.
    Pattern {
        /// Its name in records and marks.
        name, "name": String;
        /// The regular expression.
        pattern, "pattern": Option<String> = None;
        /// Words that are found as they stand, whatever their case.
        words, "words": Vec<String> = Vec::new();
    }
}

section! {
    /// A kind of finding that is let pass somewhere.
    Suppression {
        /// The kind, as records name it.
        kind, "kind": String;
        /// Of which server.
        server, "server": ServerName;
        /// Of which of its tools, by globs; absent: of all that it returns.
        tool, "tool": Option<policy::Glob> = None;
        /// Why.
        reason, "reason": String;
        /// Who answers for it.
        owner, "owner": Name;
        /// The last day on which it counts, in UTC.
        until, "until": jiff::civil::Date;
    }
}

section! {
    /// What happens to what the screens cannot read.
    defaulted Media {
        /// Images.
        images, "images": MediaAction = MediaAction::Label;
        /// Sound.
        audio, "audio": MediaAction = MediaAction::Label;
    }
}

choice! {
    /// A table of actions.
    Preset {
        /// All that is found is taken out, wherever it comes from.
        Strict = "strict",
        /// What the operator calls public may name people; of cards the last digits stay.
        Balanced = "balanced",
        /// As balanced, and who is given credit in source, histories and manifests stays readable.
        Code = "code",
    }
}

choice! {
    /// What happens to what was found.
    Action {
        /// It is recorded; the content passes.
        Flag = "flag",
        /// It is replaced by a mark.
        Redact = "redact",
        /// It is shown in part.
        Mask = "mask",
        /// It is replaced by a token that can be turned back.
        Tokenise = "tokenise",
        /// The content is wrapped as data.
        Fence = "fence",
        /// It is removed.
        Strip = "strip",
        /// All of the content is withheld.
        Block = "block",
    }
}

choice! {
    /// What happens to media.
    MediaAction {
        /// It passes with the label of its server.
        Label = "label",
        /// It is withheld.
        Refuse = "refuse",
    }
}

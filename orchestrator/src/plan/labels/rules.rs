//! Rules that make labels out of labels: aliases and groups of equal labels.

use super::{ALIASES, LabelSource, Layers};

/// Gives both spellings of a label one value. Who says something explicitly wins
/// over what is inherited; else the preferred spelling wins. The old spelling is
/// never added to an image that does not have it.
pub(super) fn apply_aliases(layers: &mut Layers) {
    for (old, new) in ALIASES {
        let Some(old_value) = layers.effective(old) else { continue };
        let new_value = layers.effective(new);
        if new_value == Some(old_value) {
            continue;
        }
        let old_is_explicit = layers.explicit(old).is_some();
        let new_is_explicit = layers.explicit(new).is_some();
        match new_value {
            Some(new_value) if new_is_explicit || !old_is_explicit => {
                let value = new_value.to_owned();
                layers.compute(old, LabelSource::Alias { of: (*new).to_owned() }, value);
            }
            _ => {
                let value = old_value.to_owned();
                layers.compute(new, LabelSource::Alias { of: (*old).to_owned() }, value);
            }
        }
    }
}

/// Gives the labels of each group the value of the first one that is explicit,
/// where they have none of their own; without any, that of the first one that is
/// inherited. A member that inherits the right value is left to inherit it.
pub(super) fn apply_equal_groups(layers: &mut Layers, groups: &[Vec<String>]) {
    for group in groups {
        let explicit = group.iter().find(|name| layers.explicit(name).is_some());
        if let Some(first) = explicit {
            let Some(value) = layers.explicit(first).map(str::to_owned) else { continue };
            for member in group {
                let inherits_it =
                    layers.base(member) == Some(&value) && !layers.computed.contains_key(member);
                if layers.explicit(member).is_none() && !inherits_it {
                    layers.compute(member, LabelSource::Equal { to: first.clone() }, value.clone());
                }
            }
            continue;
        }
        let Some(first) = group.iter().find(|name| layers.base(name).is_some()) else { continue };
        let Some(value) = layers.base(first).map(str::to_owned) else { continue };
        for member in group {
            if layers.base(member).is_none() {
                layers.compute(member, LabelSource::Equal { to: first.clone() }, value.clone());
            }
        }
    }
}

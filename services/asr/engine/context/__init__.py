"""What the next utterance may be about, and what that changes in how it is heard.

`wording` spells texts one way, `sentences` draws what people say from a pack, `language_model` scores texts by it,
`domain` joins both for one pack, `expectation` for one conversation, `rescoring` decides between hypotheses.
"""

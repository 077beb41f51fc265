//! Names of many points, which the parser may take exponential time for.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

/// Points that are read before what begins with the first one is over.
pub const MOST_POINTS: usize = 12;

/// Words that end an expression.
const ENDS: [Keyword; 9] = [
    Keyword::FROM,
    Keyword::WHERE,
    Keyword::JOIN,
    Keyword::ON,
    Keyword::GROUP,
    Keyword::ORDER,
    Keyword::HAVING,
    Keyword::LIMIT,
    Keyword::UNION,
];

/// A point of a name or path with more than [`MOST_POINTS`] of them.
///
/// The parser takes what follows a point for an expression first, and then for a name: where it is neither, each point within it takes
/// twice the time.
#[must_use]
pub fn one_too_many(tokens: &[TokenWithSpan]) -> Option<&TokenWithSpan> {
    #[derive(Clone, Copy, Default)]
    struct Level {
        /// Points around the parenthesis.
        around: usize,
        /// Points of the name that is being read.
        points: usize,
        /// Whether an expression goes on until the next comma.
        goes_on: bool,
    }
    let mut levels = vec![Level::default()];
    let mut before = &Token::EOF;
    for token in tokens {
        if matches!(token.token, Token::Whitespace(_)) {
            continue;
        }
        // More are closed than were opened: the parser says so.
        let level = levels.last_mut()?;
        let follows_point = *before == Token::Period;
        match &token.token {
            Token::Period => level.points += 1,
            Token::LParen => {
                let around = level.around + level.points;
                levels.push(Level {
                    around,
                    ..Level::default()
                });
            }
            Token::RParen => {
                levels.pop();
            }
            Token::Comma => {
                level.points = 0;
                level.goes_on = false;
            }
            Token::Word(word) if follows_point => {
                level.goes_on |= word.quote_style.is_none()
                    && matches!(
                        word.keyword,
                        Keyword::CASE
                            | Keyword::NOT
                            | Keyword::PRIOR
                            | Keyword::INTERVAL
                            | Keyword::ARRAY
                    );
            }
            // No expression goes on here.
            Token::Word(word) if word.quote_style.is_none() && ENDS.contains(&word.keyword) => {
                level.points = 0;
                level.goes_on = false;
            }
            Token::LBracket | Token::RBracket | Token::Number(..) => {}
            Token::Mul if follows_point => {}
            _ if follows_point => level.goes_on = true,
            _ if level.goes_on => {}
            _ => level.points = 0,
        }
        let points = levels.last().map_or(0, |level| level.around + level.points);
        if points > MOST_POINTS {
            return Some(token);
        }
        before = &token.token;
    }
    None
}

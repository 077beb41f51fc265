import unittest

from {name} import mask_email
from transom.testing import call_function


class MaskEmail(unittest.TestCase):
    def test_the_name_is_hidden_and_the_domain_kept(self):
        self.assertEqual(mask_email("ada@example.com"), "a***@example.com")

    def test_a_text_without_an_at_sign_rejects_its_row_and_null_stays_null(self):
        called = call_function(mask_email, ["ada@example.com", "ada", None])
        self.assertEqual(called.values, ["a***@example.com", None, None])
        self.assertEqual(called.rejected, [(1, "an e-mail address has an `@`")])

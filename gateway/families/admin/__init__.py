"""Operations for operators, only with the admin role."""
